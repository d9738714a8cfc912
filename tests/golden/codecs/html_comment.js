<!-- an old habit
function decodeUplink(input) { return { data: { v: input.bytes[0] } }; }
// the end
