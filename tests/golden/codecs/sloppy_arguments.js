function sum() { var s = 0; for (var i = 0; i < arguments.length; i++) s += arguments[i]; return s; }
function decodeUplink(input) { return { data: { s: sum.apply(null, input.bytes) } }; }
