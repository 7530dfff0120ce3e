STRUCTURE = "tensorferry.structure"
