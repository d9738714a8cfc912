function crc(b) { var c = 0xff; for (var i = 0; i < b.length; i++) { c ^= b[i]; for (var k = 0; k < 8; k++) c = c & 0x80 ? (c << 1 ^ 0x31) & 0xff : c << 1 & 0xff; } return c; }
function decodeUplink(input) {
  var b = input.bytes;
  if (crc(b.slice(0, 2)) !== b[2]) throw new Error('CRC');
  return { data: { v: b[0] << 8 | b[1] } };
}
