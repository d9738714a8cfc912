function decodeUplink(input) { var u = Uint8Array.from(input.bytes); var w = new Uint16Array(u.buffer); return { data: { w: Array.from(w), sub: u.subarray(1).length } }; }
