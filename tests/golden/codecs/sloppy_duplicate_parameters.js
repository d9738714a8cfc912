function pick(a, a) { return a; }
function decodeUplink(input) { return { data: { x: pick(1, input.bytes[0]) } }; }
