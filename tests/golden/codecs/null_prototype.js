function decodeUplink(input) { var d = Object.create(null); d.v = input.bytes[0]; return { data: d }; }
