class Frame {
  static size = 2;
  #bytes;
  constructor(b) { this.#bytes = b; }
  get value() { return this.#bytes[0] * 256 + this.#bytes[1]; }
}
function decodeUplink(input) {
  if (input.bytes.length < Frame.size) return { errors: ['short'] };
  return { data: { value: new Frame(input.bytes).value } };
}
