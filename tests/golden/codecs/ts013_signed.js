function decodeUplink(input) {
  var raw = (input.bytes[0] << 8) | input.bytes[1];
  if (raw & 0x8000) raw -= 0x10000;
  return { data: { temperature: raw / 100 } };
}
