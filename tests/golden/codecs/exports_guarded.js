function decodeUplink(input) { return { data: { ok: true } }; }
if (typeof exports !== 'undefined') { exports.decodeUplink = decodeUplink; }
if (typeof module !== 'undefined') { module.exports = { decodeUplink: decodeUplink }; }
