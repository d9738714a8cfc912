function decodeUplink(input) {
  switch (input.fPort) {
    case 1: return { data: { level: input.bytes[0] } };
    case 2: return { data: { battery: input.bytes[0] / 10 }, warnings: ['status frame'] };
    default: return { errors: ['unknown FPort'] };
  }
}
