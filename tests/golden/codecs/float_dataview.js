function decodeUplink(input) {
  var v = new DataView(new Uint8Array(input.bytes).buffer);
  return { data: { f: v.getFloat32(0, false), i: v.getInt16(4, true) } };
}
