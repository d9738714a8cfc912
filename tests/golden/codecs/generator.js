function* pairs(b) { for (let i = 0; i + 1 < b.length; i += 2) yield (b[i] << 8) | b[i + 1]; }
function decodeUplink(input) { return { data: { values: [...pairs(input.bytes)] } }; }
