function decodeUplink(input) { return { data: { mask: input.bytes[0] & 017 } }; }
