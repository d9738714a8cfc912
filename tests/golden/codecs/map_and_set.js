function decodeUplink(input) {
  const seen = new Map();
  input.bytes.forEach((b) => seen.set(b, (seen.get(b) || 0) + 1));
  return { data: { distinct: new Set(input.bytes).size, most: Math.max(...seen.values()) } };
}
