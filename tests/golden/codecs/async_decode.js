async function helper(b) { return b[0]; }
async function decodeUplink(input) {
  const first = await helper(input.bytes);
  return { data: { first } };
}
