function decodeUplink(input) {
  let n = 0n;
  for (const b of input.bytes) n = (n << 8n) | BigInt(b);
  return { data: { total: n, text: n.toString() } };
}
