String.prototype.hexToNumber = function () { return parseInt(this, 16); };
Array.prototype.last = function () { return this[this.length - 1]; };
function decodeUplink(input) { return { data: { v: 'ff'.hexToNumber(), l: input.bytes.last() } }; }
