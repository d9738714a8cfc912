function decodeUplink(input) {
  var b = Buffer.from(input.bytes);
  return { data: { t: b.readInt16BE(0) / 100, p: b.readUInt32LE(2), f: b.readFloatLE(6), hex: b.toString('hex', 0, 2) } };
}
