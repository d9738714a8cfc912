function decodeUplink(input) { return { data: { v: input.bytes[0] } }; }
exports.decodeUplink = decodeUplink;
