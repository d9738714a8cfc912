function encodeDownlink(input) { return { bytes: [], fPort: 1 }; }
function decodeDownlink(input) { return { data: {} }; }
function decodeUplink(input) { return { data: { up: input.bytes[0] } }; }
exports.decodeUplink = decodeUplink; exports.encodeDownlink = encodeDownlink; exports.decodeDownlink = decodeDownlink;
