function decodeUplink(input) { var out = { t: 0 }; with (out) { t = input.bytes[0]; } return { data: out }; }
