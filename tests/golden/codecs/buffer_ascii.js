function decodeUplink(input) { return { data: { id: Buffer.from(input.bytes).slice(1).toString('ascii'), b64: Buffer.from(input.bytes).toString('base64') } }; }
