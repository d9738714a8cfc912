if (!String.prototype.padStart) { String.prototype.padStart = function () { return 'wrong'; }; }
if (!Array.prototype.includes) { Array.prototype.includes = function () { return 'wrong'; }; }
function decodeUplink(input) { return { data: { p: '5'.padStart(2, '0'), i: [1, 2].includes(2) } }; }
