exports.decodeUplink = function (input) { return { data: { v: input.bytes[0] + 1 } }; };
