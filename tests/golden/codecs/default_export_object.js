exports.__esModule = true;
exports.default = { decodeUplink: function (i) { return { data: { d: i.bytes.length } }; } };
