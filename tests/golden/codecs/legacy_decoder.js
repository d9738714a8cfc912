function Decoder(bytes, port) {
  var decoded = {};
  if (port === 2) { decoded.distance = (bytes[0] << 8) | bytes[1]; }
  return decoded;
}
