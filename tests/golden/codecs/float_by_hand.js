function decodeUplink(input) {
  var b = input.bytes;
  var bits = b[3] << 24 | b[2] << 16 | b[1] << 8 | b[0];
  var sign = bits >>> 31 === 0 ? 1 : -1, e = bits >>> 23 & 0xff;
  var m = e === 0 ? (bits & 0x7fffff) << 1 : bits & 0x7fffff | 0x800000;
  return { data: { v: sign * m * Math.pow(2, e - 150) } };
}
