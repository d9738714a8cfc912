function decodeUplink(input) {
  var b = input.bytes;
  return { data: { s: b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3], u: (b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3]) >>> 0 } };
}
