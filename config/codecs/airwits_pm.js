// Connected Inventions AirWits PM R2.1, particulate matter. Frame after the maker's manual: one byte of flags and
// firmware, temperature in tenths of a degree above -40, humidity in %, PM1.0, PM2.5 and PM10 in ug/m3, big endian.

function decodeUplink(input) {
  var bytes = input.bytes;
  if (bytes.length !== 10) {
    return { errors: ["a frame has 10 bytes, not " + bytes.length] };
  }
  var word = function (at) { return bytes[at] << 8 | bytes[at + 1]; };
  return {
    data: {
      temperature: (word(1) - 400) / 10,
      humidity: bytes[3],
      pm1: word(4),
      pm2_5: word(6),
      pm10: word(8)
    }
  };
}
