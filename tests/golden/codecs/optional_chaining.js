const NAMES = { 1: { name: 'door' }, 2: {} };
function decodeUplink(input) {
  return { data: { what: NAMES[input.bytes[0]]?.name ?? 'unknown' } };
}
