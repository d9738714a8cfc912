class Decoder1 {
  constructor(bytes) { this.bytes = bytes; this.at = 0; }
  u8() { return this.bytes[this.at++]; }
  u16() { return (this.u8() << 8) | this.u8(); }
}
function decodeUplink(input) {
  const d = new Decoder1(input.bytes);
  return { data: { a: d.u8(), b: d.u16() } };
}
