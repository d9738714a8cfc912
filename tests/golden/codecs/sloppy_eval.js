function decodeUplink(input) { eval('var scale = 10'); return { data: { v: input.bytes[0] / scale } }; }
