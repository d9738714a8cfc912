function Decode(fPort, bytes, variables) {
  return { level: parseFloat(variables.depth) - bytes[0] / 100 };
}
