function decodeUplink(input) { return { data: { a: input.bytes[9] * 2, b: 1 / 0, c: undefined, d: null, e: function () {}, f: 'x' } }; }
