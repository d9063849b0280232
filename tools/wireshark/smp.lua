-- A Wireshark dissector for SMP, the protocol of mcumgr: the header, and the CBOR payload by Wireshark's own dissector.
--
-- Put it into the folder of personal Lua plugins (Help, About Wireshark, Folders), or:
--
--   wireshark -X lua_script:tools/wireshark/smp.lua RUN/smp.pcapng
--
-- Captures of dfu-hil ask for it by its name. Layout and numbers: zephyr doc/services/device_mgmt/smp_protocol.rst and
-- include/zephyr/mgmt/mcumgr/mgmt/mgmt_defines.h.

local smp = Proto("mcumgr_smp", "Simple Management Protocol (mcumgr)")

local ops = { [0] = "read", [1] = "read response", [2] = "write", [3] = "write response" }
local versions = { [0] = "1 (errors of all groups are one)", [1] = "2 (each group has its own errors)" }
local groups = {
  [0] = "os", [1] = "image", [2] = "statistics", [3] = "settings", [4] = "log", [5] = "crash", [6] = "split",
  [7] = "run", [8] = "file system", [9] = "shell", [10] = "enumeration", [63] = "zephyr",
}
local commands = {
  [0] = { [0] = "echo", [1] = "console echo", [2] = "task statistics", [3] = "memory pools", [4] = "date and time",
          [5] = "reset", [6] = "parameters", [7] = "application info", [8] = "bootloader info" },
  [1] = { [0] = "state", [1] = "upload", [2] = "file", [3] = "core list", [4] = "core load", [5] = "erase",
          [6] = "slot info" },
}

local f = smp.fields
f.version = ProtoField.uint8("mcumgr_smp.version", "Version", base.DEC, versions, 0x18)
f.op = ProtoField.uint8("mcumgr_smp.op", "Operation", base.DEC, ops, 0x07)
f.flags = ProtoField.uint8("mcumgr_smp.flags", "Flags", base.HEX)
f.length = ProtoField.uint16("mcumgr_smp.length", "Length of the payload")
f.group = ProtoField.uint16("mcumgr_smp.group", "Group", base.DEC, groups)
f.sequence = ProtoField.uint8("mcumgr_smp.sequence", "Sequence number")
f.command = ProtoField.uint8("mcumgr_smp.command", "Command")
f.name = ProtoField.string("mcumgr_smp.name", "Name")

local short = ProtoExpert.new("mcumgr_smp.short", "The packet has less than its header says",
                              expert.group.MALFORMED, expert.severity.ERROR)
smp.experts = { short }

local HEADER = 8
local cbor = Dissector.get("cbor")

function smp.dissector(buffer, pinfo, tree)
  if buffer:len() < HEADER then return 0 end
  pinfo.cols.protocol = "SMP"
  local length = buffer(2, 2):uint()
  local part = tree:add(smp, buffer(0, math.min(buffer:len(), HEADER + length)))
  part:add(f.version, buffer(0, 1))
  part:add(f.op, buffer(0, 1))
  part:add(f.flags, buffer(1, 1))
  part:add(f.length, buffer(2, 2))
  part:add(f.group, buffer(4, 2))
  part:add(f.sequence, buffer(6, 1))
  part:add(f.command, buffer(7, 1))
  local group, command = buffer(4, 2):uint(), buffer(7, 1):uint()
  local name = (groups[group] or ("group " .. group)) .. " " .. ((commands[group] or {})[command] or command)
  part:add(f.name, buffer(4, 4), name):set_generated()
  part:append_text(", " .. name)
  pinfo.cols.info = name .. ", " .. (ops[buffer(0, 1):bitfield(5, 3)] or "unknown operation")
  local rest = buffer:len() - HEADER
  if rest < length then part:add_proto_expert_info(short) end
  if rest > 0 and cbor then
    cbor:call(buffer(HEADER, math.min(rest, length)):tvb(), pinfo, part)
    pinfo.cols.protocol = "SMP"
  end
  return buffer:len()
end
