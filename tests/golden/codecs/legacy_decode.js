function Decode(fPort, bytes, variables) {
  return { port: fPort, n: bytes.length };
}
