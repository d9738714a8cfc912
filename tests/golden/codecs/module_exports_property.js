module.exports.decodeUplink = (input) => ({ data: { v: input.bytes[0] } });
