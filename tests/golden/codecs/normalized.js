function decodeUplink(input) { return { data: { t: input.bytes[0] } }; }
function normalizeUplink(input) { return { data: { air: { temperature: input.data.t } } }; }
