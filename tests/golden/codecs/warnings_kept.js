function decodeUplink(input) { return { data: { v: 1 }, warnings: ['low battery', 'clock'], errors: [] }; }
