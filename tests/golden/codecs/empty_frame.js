function decodeUplink(input) { return input.bytes.length ? { data: {} } : { errors: ['empty payload'] }; }
