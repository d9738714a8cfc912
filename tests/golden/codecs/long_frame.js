function decodeUplink(input) { return { data: { n: input.bytes.length, x: input.bytes.reduce(function (a, b) { return a ^ b; }, 0) } }; }
