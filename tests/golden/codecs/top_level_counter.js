var calls = 0;
function decodeUplink(input) { calls++; return { data: { calls: calls } }; }
