// Bosch parking lot sensor TPS110. Frames after public descriptions of its ports: 1 tells a change, 2 a heartbeat (occupied,
// and with newer firmware a temperature), 3 a start, whose last byte ends in the same bit. Other ports tell of the device.

function decodeUplink(input) {
  var bytes = input.bytes;
  switch (input.fPort) {
    case 1:
    case 2: {
      if (bytes.length < 1 || bytes[0] > 1) {
        return { errors: ["neither free (0) nor occupied (1)"] };
      }
      var data = { occupied: bytes[0] === 1 };
      if (bytes.length > 1) {
        data.temperature = bytes[1] << 24 >> 24;
      }
      return { data: data };
    }
    case 3:
      if (bytes.length < 17) {
        return { errors: ["a start has 17 bytes, not " + bytes.length] };
      }
      return { data: { occupied: (bytes[16] & 1) === 1 } };
    default:
      return { data: {}, warnings: ["port " + input.fPort + " tells of the device, not of the parking space"] };
  }
}
