function decodeUplink(input) { var n = 0; input.bytes.forEach(function (b) { n = n * 100 + (b >> 4) * 10 + (b & 15); }); return { data: { meter: n / 100 } }; }
