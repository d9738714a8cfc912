function decodeUplink(input) { return { data: { v: 1 } }; }
