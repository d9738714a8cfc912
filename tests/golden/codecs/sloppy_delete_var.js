function decodeUplink(input) { var x = input.bytes[0]; delete x; return { data: { x: x } }; }
