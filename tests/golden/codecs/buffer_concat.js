function decodeUplink(input) { var b = Buffer.concat([Buffer.alloc(2), Buffer.from(input.bytes)]); return { data: { v: b.readUInt32BE(0) } }; }
