function decodeUplink(input) { return { data: { v: 1 } }; } // no line end
