function decodeUplink(input) {
  var b = input.bytes[0];
  return { data: { tamper: (b & 0x01) !== 0, battery: (b >> 1) & 0x07, mode: b >>> 4 } };
}
