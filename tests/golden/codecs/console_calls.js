function decodeUplink(input) { console.log('bytes', input.bytes); console.warn('x'); console.table([1]); return { data: { v: 1 } }; }
