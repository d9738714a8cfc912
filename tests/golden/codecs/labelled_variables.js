function decodeUplink(input) { var v = input.variables || {}; return { data: { offset: Number(v.offset || 0) + input.bytes[0], keys: Object.keys(v).length } }; }
