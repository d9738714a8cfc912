function decodeUplink(input) {
  const [a, b, c] = input.bytes;
  return { data: { firmware: `v${a}.${b}.${c}` } };
}
